//! wharf's driver for nydusd, the daemon of the Nydus lazy-loading image format. Not begun.
//!
//! What will come, with the URL `nydus:///work/dir?mode=virtiofs|fuse&nydusd=PATH`: a pod is one daemon and the directory it
//! shares; the image store is the RAFS images mounted on it. There are no containers and no commands, so these facets will
//! be `None`.
