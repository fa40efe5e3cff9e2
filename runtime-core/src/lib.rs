//! The traits, types and helpers that every wharf driver shares.
