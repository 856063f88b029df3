package leaderless

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/target"
)

// The profiles: how four well-known stores of this family are configured out
// of the box, in this store's settings. A profile is settings and nothing
// else, so that it can be read, changed with --set, and argued about. What it
// cannot say is everything that has no setting here: the real systems' wire
// protocols, storage engines and bugs. Where a system leaves a choice to its
// users (n, w and r mostly) the usual one is taken, and the source says so.
//
// The sources are files of the systems' own repositories, or sections of the
// Dynamo paper, whose system was never published: those are marked as
// literature.

// Files of the real systems, as the sources name them.
const (
	cassandraYAML      = "cassandra, conf/cassandra.yaml"
	cassandraTable     = "cassandra, schema/TableParams.java"
	cassandraCells     = "cassandra, db/rows/Cells.java"
	riakSchema         = "riak_kv, priv/riak_kv.schema"
	riakBuckets        = "riak_core, priv/riak_core.schema (buckets.default)"
	riakPut            = "riak_kv, src/riak_kv_put_fsm.erl"
	riakGet            = "riak_kv, src/riak_kv_get_core.erl"
	voldemortStores    = "voldemort, store/StoreDefinition.java"
	voldemortConfig    = "voldemort, server/VoldemortConfig.java"
	voldemortVersioned = "voldemort, versioning/VectorClock.java"
	dynamo             = "Dynamo (SOSP 2007, literature) "
)

// profileTable is the one list of the profiles. A setting that is missing has
// the store's default: the system says nothing about it, or has nothing like it.
var profileTable = []target.Profile{
	{
		Name: "dynamo",
		Help: "Amazon's Dynamo as its paper describes it: sloppy quorums, hinted handoff, vector clocks and siblings, Merkle trees.",
		Settings: []target.ProfileSetting{
			{Name: "n", Value: "3", Source: dynamo + "§6: “the common (N,R,W) configuration” is (3,2,2)"},
			{Name: "w", Value: "2", Source: dynamo + "§6"},
			{Name: "r", Value: "2", Source: dynamo + "§6"},
			{Name: "routing", Value: "replica", Source: dynamo + "§4.5, §6.4: a load balancer's node forwards to one of the key's top N"},
			{Name: "sloppy", Value: "on", Source: dynamo + "§4.6: the first N healthy nodes"},
			{Name: "hints", Value: "on", Source: dynamo + "§4.6: hinted handoff"},
			{Name: "hint-expiry", Value: "0s", Source: dynamo + "§4.6: kept until it is delivered"},
			{Name: "read-set", Value: "all", Source: dynamo + "§4.5: sent to the N highest-ranked reachable nodes"},
			{Name: "repair", Value: "async", Source: dynamo + "§5: the coordinator repairs after it has replied"},
			{Name: "anti-entropy", Value: "scheduled", Source: dynamo + "§4.7: a Merkle tree for each key range"},
			{Name: "resolver", Value: "version-vector", Source: dynamo + "§4.4: a vector clock for each version"},
			{Name: "siblings", Value: "keep", Source: dynamo + "§4.4: the client reconciles"},
			{Name: "prune-entries", Value: "10", Source: dynamo + "§4.4: “say 10”"},
			{Name: "prune-younger", Value: "0s", Source: dynamo + "§4.4: the oldest entry goes, however old it is"},
			{Name: "prune-older", Value: "0s", Source: dynamo + "§4.4: the oldest entry goes, however old it is"},
			{Name: "ring", Value: "gossip", Source: dynamo + "§4.8.1: explicit joins, spread by gossip"},
			{Name: "gossip-every", Value: "1s", Source: dynamo + "§4.8.1: a peer at random every second"},
			{Name: "detector", Value: "timeout", Source: dynamo + "§4.8.3: local, by unanswered messages"},
		},
	},
	{
		Name: "cassandra",
		Help: "Apache Cassandra: last write wins by microseconds, strict quorums, hints at the coordinator, blocking read repair, purged tombstones, Paxos v1.",
		Settings: []target.ProfileSetting{
			{Name: "n", Value: "3", Source: "the keyspace says it; 3 is usual"},
			{Name: "write-level", Value: "quorum", Source: "each operation says it; QUORUM is usual where consistency is wanted"},
			{Name: "read-level", Value: "quorum", Source: "each operation says it; QUORUM is usual where consistency is wanted"},
			{Name: "routing", Value: "any", Source: "cassandra, service/StorageProxy.java: any node coordinates"},
			{Name: "read-set", Value: "level", Source: "cassandra, locator/ReplicaPlans.java: as many replicas as the level needs"},
			{Name: "digest-reads", Value: "on", Source: "cassandra, service/reads/AbstractReadExecutor.java"},
			{Name: "speculative-retry", Value: "p99", Source: cassandraTable + ": speculative_retry 99p"},
			{Name: "sloppy", Value: "off", Source: "cassandra, service/StorageProxy.java: a hint counts at level ANY only"},
			{Name: "hints", Value: "on", Source: cassandraYAML + ": hinted_handoff_enabled"},
			{Name: "hint-strategy", Value: "coordinator", Source: "cassandra, service/StorageProxy.java"},
			{Name: "hint-window", Value: "3h", Source: cassandraYAML + ": max_hint_window 3h"},
			{Name: "hint-flush", Value: "10s", Source: cassandraYAML + ": hints_flush_period 10000ms, without a sync"},
			{Name: "repair", Value: "blocking", Source: cassandraTable + ": read_repair BLOCKING"},
			{Name: "anti-entropy", Value: "demand", Source: "cassandra, nodetool repair: run by the operator"},
			{Name: "resolver", Value: "lww", Source: cassandraCells},
			{Name: "timestamps", Value: "client", Source: "cassandra, cql3/QueryOptions.java: the client's, else the coordinator's clock"},
			{Name: "timestamp-unit", Value: "1us", Source: "cassandra, utils/FBUtilities.java: microseconds"},
			{Name: "tie-break", Value: "value", Source: cassandraCells + ": a tombstone, then the larger value"},
			{Name: "deletes", Value: "tombstone", Source: cassandraTable},
			{Name: "gc-grace", Value: "10d", Source: cassandraTable + ": gc_grace_seconds 864000"},
			{Name: "purge", Value: "grace", Source: cassandraTable + ": only_purge_repaired_tombstones false"},
			{Name: "cas", Value: "paxos-v1", Source: cassandraYAML + ": paxos_variant v1"},
			{Name: "virtual-nodes", Value: "16", Source: cassandraYAML + ": num_tokens 16"},
			{Name: "ring", Value: "gossip", Source: "cassandra, gms/Gossiper.java"},
			{Name: "gossip-every", Value: "1s", Source: "cassandra, gms/Gossiper.java: intervalInMillis 1000"},
			{Name: "detector", Value: "phi", Source: "cassandra, gms/FailureDetector.java"},
			{Name: "phi-threshold", Value: "8", Source: cassandraYAML + ": phi_convict_threshold 8"},
			{Name: "bootstrap", Value: "stream-first", Source: cassandraYAML + ": auto_bootstrap"},
			{Name: "fsync", Value: "10s", Source: cassandraYAML + ": commitlog_sync periodic, 10000ms"},
		},
	},
	{
		Name: "riak",
		Help: "Riak KV with a typed bucket: sloppy quorums, dotted version vectors and siblings, active anti-entropy, reaped tombstones. (The default bucket type has resolver=vector-clock siblings=last-modified.)",
		Settings: []target.ProfileSetting{
			{Name: "n", Value: "3", Source: riakBuckets + ": n_val 3"},
			{Name: "w", Value: "2", Source: riakBuckets + ": w quorum"},
			{Name: "r", Value: "2", Source: riakBuckets + ": r quorum"},
			{Name: "dw", Value: "2", Source: riakBuckets + ": dw quorum"},
			{Name: "acknowledge", Value: "before-log", Source: "riak_kv, src/riak_kv_vnode.erl: answers at once, and again when the backend has it, which dw waits for"},
			{Name: "pr", Value: "0", Source: riakBuckets + ": pr 0"},
			{Name: "pw", Value: "0", Source: riakBuckets + ": pw 0"},
			{Name: "notfound-ok", Value: "on", Source: riakBuckets + ": notfound_ok true"},
			{Name: "routing", Value: "replica", Source: riakPut + ": forwarded to a node of the preference list"},
			{Name: "read-set", Value: "all", Source: "riak_kv, src/riak_kv_get_fsm.erl: all N"},
			{Name: "sloppy", Value: "on", Source: "riak_core, src/riak_core_apl.erl: fallback vnodes"},
			{Name: "hints", Value: "on", Source: "riak_core, src/riak_core_vnode_manager.erl: handoff on return"},
			{Name: "repair", Value: "async", Source: riakGet + ": dominated and not-found replicas, after the reply"},
			{Name: "anti-entropy", Value: "scheduled", Source: riakSchema + ": anti_entropy active"},
			{Name: "anti-entropy-every", Value: "15s", Source: riakSchema + ": a tick every 15 s"},
			{Name: "resolver", Value: "dotted", Source: riakSchema + ": dvv_enabled of bucket types"},
			{Name: "siblings", Value: "keep", Source: riakSchema + ": allow_mult of bucket types"},
			{Name: "sibling-limit", Value: "100", Source: riakSchema + ": object.siblings.maximum 100"},
			{Name: "prune-entries", Value: "50", Source: riakBuckets + ": big_vclock 50"},
			{Name: "prune-younger", Value: "20s", Source: riakBuckets + ": young_vclock 20"},
			{Name: "prune-older", Value: "1d", Source: riakBuckets + ": old_vclock 86400"},
			{Name: "actor-epochs", Value: "on", Source: "riak_kv, src/riak_kv_vnode.erl: a new vnode id and epoch"},
			{Name: "deletes", Value: "tombstone", Source: "riak_kv, src/riak_kv_delete.erl"},
			{Name: "purge", Value: "reported", Source: "riak_kv, src/riak_kv_vnode.erl: once all N report it"},
			{Name: "reap-after", Value: "3s", Source: "riak_kv, src/riak_kv_vnode.erl: delete_mode 3000"},
			{Name: "ring", Value: "gossip", Source: "riak_core, src/riak_core_gossip.erl (literature)"},
			{Name: "detector", Value: "timeout", Source: "riak_core, src/riak_core_node_watcher.erl"},
			{Name: "fsync", Value: "never", Source: "bitcask, priv/bitcask.schema: sync_strategy none"},
		},
	},
	{
		Name: "voldemort",
		Help: "Project Voldemort: the client routes and resolves, no hints and no anti-entropy unless a store asks for them, physical deletes, vector clocks by master.",
		Settings: []target.ProfileSetting{
			{Name: "n", Value: "3", Source: voldemortStores + ": replication-factor, which each store says; 3 is usual"},
			{Name: "w", Value: "2", Source: voldemortStores + ": required-writes, which each store says"},
			{Name: "r", Value: "2", Source: voldemortStores + ": required-reads, which each store says"},
			{Name: "routing", Value: "client", Source: voldemortStores + ": routing client"},
			{Name: "read-set", Value: "preferred", Source: "voldemort, store/routed/action/PerformParallelRequests.java"},
			{Name: "sloppy", Value: "off", Source: "voldemort, store/routed/action/PerformPutHintedHandoff.java: a hint never counts"},
			{Name: "hints", Value: "off", Source: voldemortStores + ": no hinted-handoff-strategy unless the store sets one"},
			{Name: "repair", Value: "async", Source: "voldemort, store/routed/action/ReadRepair.java: after the replies"},
			{Name: "anti-entropy", Value: "off", Source: "there is none"},
			{Name: "resolver", Value: "version-vector", Source: voldemortVersioned + ": one for each value, an entry for each master"},
			{Name: "siblings", Value: "last-modified", Source: "voldemort, versioning/ChainedResolver.java: by clock, then by the greatest timestamp"},
			{Name: "timestamps", Value: "client", Source: voldemortVersioned + ": the client's clock"},
			{Name: "obsolete-puts", Value: "ignore", Source: "voldemort, versioning/ObsoleteVersionException.java: refused by the replica, a success to the client"},
			{Name: "prune-entries", Value: "0", Source: voldemortVersioned + ": never pruned"},
			{Name: "actor-epochs", Value: "off", Source: voldemortVersioned + ": the node's id alone"},
			{Name: "deletes", Value: "physical", Source: "voldemort, store/bdb/BdbStorageEngine.java: no tombstone"},
			{Name: "ring", Value: "static", Source: "voldemort, cluster.xml (literature)"},
			{Name: "detector", Value: "timeout", Source: "voldemort, cluster/failuredetector/ThresholdFailureDetector.java"},
			{Name: "fsync", Value: "never", Source: voldemortConfig + ": bdb.flush.transactions false, bdb.write.transactions true"},
		},
	},
}

// Profiles returns the store configured as real systems are; see profileTable.
func (Target) Profiles() []target.Profile {
	profiles := slices.Clone(profileTable)
	for i := range profiles {
		profiles[i].Settings = slices.Clone(profiles[i].Settings)
	}
	return profiles
}

// ProfilesMarkdown is the table of the profiles as PROFILES.md has it.
func ProfilesMarkdown() string {
	var b strings.Builder
	b.WriteString("# Profiles\n\n" +
		"How four real systems of this family are configured out of the box, in the settings of the bundled store: `--profile NAME`, and `--set` changes single settings. " +
		"This file is written from the table in [profiles.go](profiles.go); settings that are not named have the store's default. " +
		"*Literature* marks what is known from papers and documentation and was not read at the source.\n")
	for _, p := range (Target{}).Profiles() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| setting | value | source |\n|---|---|---|\n", p.Name, p.Help)
		for _, s := range p.Settings {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", s.Name, s.Value, s.Source)
		}
	}
	return b.String()
}
