// Package docker runs a cluster of nodes as containers: the backend on which a
// plan meets real processes, a real network and a real disk.
//
// # The shape: pod and node
//
// Each node is two containers. The pod holds our own agent (nemesis/agent) from
// an image made of that one static program; it owns the network and PID
// namespaces, the fixed address and the published port, and has the NET_ADMIN
// capability. The node is any image, with its own user and no more capabilities
// than an engine gives to everybody; it joins the pod's namespaces. Its entrypoint
// is wrapped by the agent's shim, which starts, restarts and reports the image's
// real one. So faults need nothing of the image, survive the node's crashes, and
// a kill and restart takes milliseconds instead of a container's start.
//
// The controller speaks with each agent through the engine's attach stream,
// opened before the pod starts: no port, no path through the cluster's network,
// and it works with a remote engine too.
//
// # What outlives what
//
// The pods' standard input is this process. When it ends, for whatever reason,
// each agent reads EOF, undoes its faults and exits; the PID namespace ends with
// it, and the containers, which the engine removes by itself, are gone a moment
// later. Networks and volumes stay; Engine.Clean, which every run calls first,
// finds them by their labels.
//
// # Choices
//
//   - testcontainers-go creates, starts and terminates containers. Its reaper is
//     off: it needs an image from a registry, and the pods' dead man's switch is
//     quicker. Attaching, loading images, volumes and networks go to the
//     engine's own client, which testcontainers-go shares.
//   - Ports are published on the engine's loopback interface only.
//   - Addresses are fixed before anything starts, because members of a cluster
//     must know each other; that needs a subnet of our own choosing. It is taken
//     from 198.19.0.0/16, half of the block that RFC 2544 reserves for tests of
//     network devices and that nobody routes, and another one is tried when the
//     engine says that it is in use.
//   - Images are made in memory and loaded, tagged by the hash of their content:
//     no registry, no build, and an image that is there is never stale.
//   - Data directories are volumes. A container's own file system is layered, and
//     on some engines a FUSE mount whose fsync is slow and means little.
//   - Logs are attached to and written as they come, so that the last words of a
//     container that the engine removes are not lost.
package docker
