//! wharf driver for the vSphere Integrated Containers port layer.
