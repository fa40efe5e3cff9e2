//! wharf's driver for the port layer of vSphere Integrated Containers. Not begun.
//!
//! What will come, with the URL `vic://host:2377?persona=host:port&host_uuid=…`: a pod is one container VM, its containers are
//! the VM's tasks, changed through handles that are committed with optimistic concurrency; commands go over interaction
//! streams; images come through the docker persona and the port layer's image store.
