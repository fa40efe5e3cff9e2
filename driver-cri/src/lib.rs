//! wharf driver for CRI v1 runtimes.
