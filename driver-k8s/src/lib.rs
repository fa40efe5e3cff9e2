//! wharf driver for Kubernetes.
