package server

import (
	"net/http"
	"strconv"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// serveMetrics answers GET /metrics.
func (s *Server) serveMetrics(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		e := httpError{http.StatusMethodNotAllowed, codeMethod, "method " + r.Method + ": want GET"}
		writeJSON(rw, e.status, e.append(nil))
		return
	}
	text, ok := s.metrics()
	if !ok {
		e := httpError{http.StatusServiceUnavailable, codeStopped, "the node is stopping"}
		writeJSON(rw, e.status, e.append(nil))
		return
	}
	header := rw.Header()
	header.Set("Content-Type", metricsType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	rw.WriteHeader(http.StatusOK)
	// An error means that the client is gone.
	_, _ = rw.Write(text)
}

// metrics writes everything that the node counts; false if it is stopping.
func (s *Server) metrics() ([]byte, bool) {
	var gauges core.Gauges
	var entropy core.AntiEntropyGauge
	var suspected []core.NodeID
	var counted tally
	var losses core.HintGauge
	var tombstones core.TombstoneGauge
	var members []core.Member
	rejoining := false
	ok := s.loop.call(func(n *core.Node) {
		now := s.clock.now()
		gauges, entropy, suspected, counted = n.Gauges(now), n.AntiEntropy(), n.Suspected(now), s.loop.tally
		losses, tombstones, members, rejoining = n.HintLosses(), n.Tombstones(), n.Members(), n.Rejoining()
	})
	e := &exposition{text: make([]byte, 0, 16<<10)}
	s.requestMetrics(e, &counted)
	s.messageMetrics(e, &counted, suspected)
	s.hintMetrics(e, &gauges, &losses)
	s.replicaMetrics(e, &gauges, &tombstones)
	s.stalenessMetrics(e, &gauges, &entropy)
	s.memberMetrics(e, members, rejoining)
	s.logMetrics(e)
	return e.text, ok
}

func (s *Server) requestMetrics(e *exposition, t *tally) {
	e.family("requests_total", "counter", "Requests of clients that the node answered, by kind and by what the answer means: ok, definite (certainly not done) or indeterminate.")
	for kind := core.RequestGet; kind <= core.RequestCompareAndSet; kind++ {
		for status := core.StatusOK; status <= core.StatusIndeterminate; status++ {
			e.sample("requests_total", float64(t.requests[kind][status]), "kind", requestKinds[kind], "outcome", requestOutcomes[status])
		}
	}
	e.family("requests_refused_total", "counter", "Requests that were refused because of their form before the core was asked.")
	e.sample("requests_refused_total", float64(s.refused.badRequest.Load()), "code", codeBadRequest)
	e.sample("requests_refused_total", float64(s.refused.tooLarge.Load()), "code", codeTooLarge)
	e.sample("requests_refused_total", float64(s.refused.method.Load()), "code", codeMethod)
	e.sample("requests_refused_total", float64(s.refused.other.Load()), "code", "other")
	e.single("compare_and_set_not_applied_total", "counter", "Compare-and-sets whose condition did not hold.", float64(t.notApplied))
	e.family("request_duration_seconds", "histogram", "Time from a request's arrival in the loop to its answer, by kind.")
	for kind := core.RequestGet; kind <= core.RequestCompareAndSet; kind++ {
		d := &t.durations[kind]
		e.histogram("request_duration_seconds", latencyBounds[:], d.parts[:], float64(d.sum), "kind", requestKinds[kind])
	}
}

func (s *Server) messageMetrics(e *exposition, t *tally, suspected []core.NodeID) {
	e.family("messages_received_total", "counter", "Messages of other nodes, by kind.")
	for kind, count := range t.received {
		if count > 0 {
			e.sample("messages_received_total", float64(count), "kind", core.MessageKind(kind).String())
		}
	}
	e.family("messages_sent_total", "counter", "Messages for other nodes, by kind, those that were dropped included.")
	for kind, count := range t.sent {
		if count > 0 {
			e.sample("messages_sent_total", float64(count), "kind", core.MessageKind(kind).String())
		}
	}
	var states []peerState
	for _, p := range s.peers {
		if p != nil {
			states = append(states, p.status())
		}
	}
	e.family("peer_messages_dropped_total", "counter", "Messages that the node dropped because it had no connection to the peer, or because too many were waiting.")
	for _, p := range states {
		e.sample("peer_messages_dropped_total", float64(p.Dropped), "peer", p.Name)
	}
	e.family("peer_connected", "gauge", "1 where the node has a connection to the peer.")
	for _, p := range states {
		e.sample("peer_connected", truth(p.Connected), "peer", p.Name)
	}
	e.family("peer_suspected", "gauge", "1 where the failure detector counts the peer as down.")
	down := make(map[core.NodeID]bool, len(suspected))
	for _, id := range suspected {
		down[id] = true
	}
	for i, p := range s.peers {
		if p != nil {
			e.sample("peer_suspected", truth(down[core.NodeID(i)]), "peer", s.settings.Nodes[i])
		}
	}
}

func (s *Server) hintMetrics(e *exposition, g *core.Gauges, h *core.HintGauge) {
	e.family("hints", "gauge", "Hints that the node keeps, by the node that they are for.")
	for i, count := range g.HintsFor {
		if core.NodeID(i) != s.id {
			e.sample("hints", float64(count), "for", s.settings.Nodes[i])
		}
	}
	e.family("hints_lacking_seconds", "gauge", "How long the node has kept hints for another one without a break: for so long it has known the other to lack something. 0 where it keeps none.")
	for i, nanoseconds := range g.LackingFor {
		if core.NodeID(i) != s.id {
			e.sample("hints_lacking_seconds", float64(nanoseconds)/1e9, "for", s.settings.Nodes[i])
		}
	}
	e.family("hints_oldest_seconds", "gauge", "Age of the oldest hint by the node's wall clock, by the node that it is for. 0 where there is none.")
	for i, nanoseconds := range g.HintAge {
		if core.NodeID(i) != s.id {
			e.sample("hints_oldest_seconds", float64(nanoseconds)/1e9, "for", s.settings.Nodes[i])
		}
	}
	e.single("hints_unflushed", "gauge", "Hints that are in memory only, until hints are written to the log next.", float64(h.Unflushed))
	e.single("hints_kept_total", "counter", "Hints that were kept, those merged into an earlier one for the same key included.", float64(g.HintsKept))
	e.single("hints_delivered_total", "counter", "Hints that their home replica acknowledged.", float64(g.HintsDelivered))
	e.single("hints_expired_total", "counter", "Hints that were given up because of their age.", float64(h.Expired))
	e.single("hints_refused_total", "counter", "Hints that were not kept because the replica had been away for too long.", float64(h.Refused))
	e.single("hints_passed_on_total", "counter", "Hints that were left to another node to keep.", float64(h.PassedOn))
	e.single("hints_dropped_total", "counter", "Hints that were not kept because there were too many.", float64(g.Pending.HintsDropped))
	e.single("handoffs_received_total", "counter", "Hints that other nodes delivered to this one.", float64(g.HandoffsReceived))
}

func (s *Server) replicaMetrics(e *exposition, g *core.Gauges, t *core.TombstoneGauge) {
	e.single("keys", "gauge", "Keys that the replica holds, deleted ones included.", float64(g.Keys))
	e.single("tombstones", "gauge", "Keys that the replica holds as deleted.", float64(g.Tombstones))
	e.single("tombstones_reaping", "gauge", "Deleted keys that are about to be forgotten.", float64(t.Reaping))
	e.single("tombstones_purged_total", "counter", "Deleted keys that the replica has forgotten, those that were deleted without a tombstone included.", float64(t.Purged))
	e.family("sibling_keys", "gauge", "Keys that can have several values at once, by how many they have.")
	for i, count := range g.Siblings {
		label := strconv.Itoa(i)
		if i == len(g.Siblings)-1 {
			label += " or more"
		}
		e.sample("sibling_keys", float64(count), "siblings", label)
	}
	p := &g.Pending
	e.family("pending", "gauge", "What the node still has to do before it is quiet.")
	e.sample("pending", float64(p.Hints), "work", "hints")
	e.sample("pending", float64(p.Repairs), "work", "repairs")
	e.sample("pending", float64(p.Requests), "work", "requests")
	e.sample("pending", float64(p.Writes), "work", "writes")
	e.sample("pending", float64(p.Comparisons), "work", "comparisons")
	e.sample("pending", float64(p.Streams), "work", "streams")
}

func (s *Server) stalenessMetrics(e *exposition, g *core.Gauges, a *core.AntiEntropyGauge) {
	e.single("reads_total", "counter", "Reads through this node that had their quorum.", float64(g.Reads))
	e.single("reads_divergent_total", "counter", "Reads whose counted answers differed.", float64(g.DivergentReads))
	e.single("read_repairs_total", "counter", "Cells that reads sent to replicas that had less, write-backs included.", float64(g.ReadRepairs))
	e.family("replica_lag_seconds", "histogram", "How much older than the newest answer to a read a replica's answer was, by the clocks that stamp versions.")
	e.histogram("replica_lag_seconds", core.LagBounds[:], g.Lag.Parts[:], float64(g.Lag.Sum))
	e.family("convergence_seconds", "histogram", "How long the node kept hints for another one, from the first to the delivery of the last.")
	e.histogram("convergence_seconds", core.LagBounds[:], g.Convergence.Parts[:], float64(g.Convergence.Sum))

	e.single("antientropy_rounds_total", "counter", "Scheduled comparisons of all ranges that were completed.", float64(a.Rounds))
	e.single("antientropy_repairs_total", "counter", "Repairs on an operator's demand that were completed.", float64(a.Repairs))
	e.single("antientropy_ranges_compared_total", "counter", "Comparisons of a range with a peer that were completed.", float64(a.Compared))
	e.single("antientropy_ranges_abandoned_total", "counter", "Comparisons of a range with a peer that were not: it did not answer, or had another ring.", float64(a.Abandoned))
	e.single("antientropy_keys_exchanged_total", "counter", "Differing keys of which both sides got what they lacked.", float64(a.Exchanged))
	e.single("antientropy_ranges_unequal", "gauge", "Pairs of a range and a peer that are not known to be equal.", float64(a.Unequal))
	e.family("antientropy_divergent_keys", "gauge", "Keys that differed in the latest comparison of each range, by peer.")
	divergent := 0
	for i, count := range a.Divergent {
		if core.NodeID(i) != s.id {
			e.sample("antientropy_divergent_keys", float64(count), "peer", s.settings.Nodes[i])
		}
	}
	for i := range s.settings.Nodes {
		if i < len(g.HintsFor) && g.HintsFor[i] > 0 || i < len(a.Divergent) && a.Divergent[i] > 0 {
			divergent++
		}
	}
	e.single("divergent_replicas", "gauge", "Other nodes that lack something as far as this one knows: it keeps hints for them, or the latest comparison found a difference.", float64(divergent))
}

func (s *Server) memberMetrics(e *exposition, members []core.Member, rejoining bool) {
	e.family("member_status", "gauge", "1 for the status that this node knows another, or itself, to have.")
	for _, m := range members {
		e.sample("member_status", 1, "node", s.settings.Nodes[m.Node], "status", m.Status.String())
	}
	e.single("rejoining", "gauge", "1 while the node fetches what it missed before it is read again.", truth(rejoining))
}

func (s *Server) logMetrics(e *exposition) {
	stats := s.log.Stats()
	e.single("log_records_total", "counter", "Records appended to the log.", float64(stats.Records))
	e.single("log_writes_total", "counter", "Calls of write(2) on the log.", float64(stats.Writes))
	e.single("log_fsyncs_total", "counter", "Calls of fsync(2) on the log.", float64(stats.Syncs))
	e.single("log_compactions_total", "counter", "Compactions of the log that were completed.", float64(stats.Compactions))
	e.single("log_bytes", "gauge", "Length of the log's segments, without its snapshot.", float64(stats.Bytes))
	e.single("incarnation", "gauge", "How often the node was started on its directory.", float64(s.incarnation))
	now := s.clock.now()
	e.single("wall_clock_seconds", "gauge", "The node's wall clock, in seconds since 1970: compare it with the scraper's to see its skew.", float64(now.Wall)/1e9)
	e.single("up_seconds", "gauge", "Time since the node's start, by its monotonic clock.", float64(now.Mono)/1e9)
}

// truth is 1 for true.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
