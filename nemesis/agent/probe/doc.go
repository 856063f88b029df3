// Package probe tests whether packets really get from one node to another.
//
// A partition is believed only when it was observed. The agents share their
// nodes' network namespaces, so a datagram from one agent to another takes
// exactly the path of the nodes' own packets and meets the same filters. An agent
// sends a few datagrams with a token to its peers; afterwards each peer is asked
// from whom it received the token. Nothing is echoed: an echo would need both
// directions and could not tell which one is cut.
//
// Several datagrams are sent because one may be lost for no reason at all;
// received ones are remembered for a while, so that asking may come late.
package probe
