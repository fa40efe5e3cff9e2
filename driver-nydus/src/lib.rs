//! wharf driver for nydusd.
