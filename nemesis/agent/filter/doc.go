// Package filter partitions a network: it drops the packets that a node
// receives from chosen addresses, by nftables, in the network namespace that the
// agent shares with the node.
//
// Packets are dropped where they arrive and never where they leave. A dropped
// outgoing datagram would be reported to its sender as EPERM, which no real
// network does; and a rule at the receiver cuts exactly one direction, so that a
// one-way partition is one side's rule and a full one is both sides'.
//
// The chain hooks into input with a priority ahead of connection tracking, so
// established connections go silent too: no reset, no ICMP, exactly the silence
// of a pulled cable. Connections survive a short cut and continue after it.
//
// There is one table, one chain, one rule and one set. Each fault owns a list of
// addresses in memory; the kernel's set is always their union and is replaced in
// one netlink transaction, so no packet ever meets a half-made rule set, and
// healing one fault cannot open what another one still cuts. The rule itself is
// never replaced, so its counter counts every packet since the start.
//
// Only IPv4 is filtered; the cluster's network has no IPv6.
package filter
