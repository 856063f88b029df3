package core

// Gossip spreads what the nodes say of themselves (Demers et al., "Epidemic
// algorithms for replicated database maintenance", PODC 1987; Dynamo §4.8.1;
// Cassandra's Gossiper.java). Every so often a node sends another one, chosen
// at random, the stamps of all that it knows. That one answers with what is
// newer here and with its own stamps, and gets in turn what it lacks: three
// messages after which both know the same. News reach all of k nodes after
// about log₂ k rounds, whoever of them is down, and nobody coordinates it.
//
// The price is the meanwhile: until then the nodes act on different rings. See
// membership.go for what that does, and epoch.go for what helps.
//
// Stamps also tell who knows what: a node whose stamps of another are at least
// this has made the news durable and acts on them. That is how a node that
// changes can wait for the others.

// membership is what a node knows of the members; nil with ring=static.
type membership struct {
	// view is what this node acts on and tells others, and all that its log is known to hold.
	view view
	// logged is what was handed to the log beside.
	logged view
	rings  rings
	// seen is, by node, the latest that it was heard to act on; nil: nothing was heard.
	seen [][]stamp
	// toldAt is when, by node, gossip was last sent out of turn.
	toldAt []int64
	change change
	// changed is the ring by which a receiver of streams was last served, made of changedOwners.
	changed       *Ring
	changedOwners []ringOwner
}

// rounds out of turn are at least this far apart for one node, in nanoseconds.
const gossipPause = 20e6

// gossipNews is the body of gossip.
type gossipNews struct {
	// stamps are those of all nodes, by NodeID; nil in the third message.
	stamps []stamp
	news   []memberNews
}

// memberNews is what one node says of itself, as repeated by another.
type memberNews struct {
	node NodeID
	ringMember
}

func (v view) stamps() []stamp {
	stamps := make([]stamp, len(v))
	for i := range v {
		stamps[i] = v[i].stamp
	}
	return stamps
}

// newer returns what is newer in the view than the stamps say.
func (v view) newer(stamps []stamp) []memberNews {
	var news []memberNews
	for i := range v {
		if i >= len(stamps) || v[i].stamp.compare(stamps[i]) > 0 {
			news = append(news, memberNews{NodeID(i), v[i]})
		}
	}
	return news
}

// gossipTick begins a round with a node at random.
func (n *Node) gossipTick() {
	if to := NodeID(n.draw(int64(len(n.settings.Nodes)))); to != n.id {
		n.gossip(to)
	}
	n.armGossip()
}

func (n *Node) armGossip() {
	if len(n.settings.Nodes) > 1 {
		n.setTimer(timerGossip, n.settings.GossipEvery-n.draw(n.settings.GossipEvery/8+1))
	}
}

func (n *Node) gossip(to NodeID) {
	n.message(MessageGossip, to).Body = &gossipNews{stamps: n.membership.view.stamps()}
}

// gossipNow begins a round out of turn, unless one with that node began just now.
func (n *Node) gossipNow(to NodeID) {
	m := n.membership
	if to != n.id && n.now.Mono-m.toldAt[to] >= gossipPause {
		m.toldAt[to] = n.now.Mono
		n.gossip(to)
	}
}

// handleGossip handles MessageGossip, the first of a round, and MessageGossipAnswer, the second and third.
func (n *Node) handleGossip(m *Message) {
	g, ok := m.Body.(*gossipNews)
	if !ok || n.membership == nil {
		return
	}
	if len(g.stamps) == len(n.membership.view) {
		n.saw(m.From, g.stamps)
	}
	for i := range g.news {
		n.learn(&g.news[i])
	}
	if m.Kind == MessageGossip {
		n.message(MessageGossipAnswer, m.From).Body = &gossipNews{stamps: n.membership.view.stamps(), news: n.membership.view.newer(g.stamps)}
		return
	}
	if g.stamps == nil {
		return
	}
	if news := n.membership.view.newer(g.stamps); news != nil {
		n.message(MessageGossipAnswer, m.From).Body = &gossipNews{news: news}
	}
}

// learn takes over what another node was heard to say of itself: into the log
// first, and into the view when it is durable.
func (n *Node) learn(news *memberNews) {
	if int(news.node) >= len(n.membership.view) || int(news.tokens) >= len(n.membership.view) || int(news.replaces) >= len(n.membership.view) {
		return // of a larger cluster
	}
	if !n.membership.logged.merge(news.node, &news.ringMember) {
		return
	}
	p := n.replica.newPersist()
	known := *news
	p.afterwards = append(p.afterwards, func(n *Node) {
		if !n.membership.view.merge(known.node, &known.ringMember) {
			return
		}
		n.membersChanged()
		if known.node == n.id && known.generation < n.incarnation {
			// Others had to tell this node what it is: it lost its disk.
			n.startRejoin()
		}
	})
	n.out.Persist = append(n.out.Persist, Persist{
		ID:     n.replica.persists.add(p),
		Record: n.records.encode(&record{kind: recordMembers, home: news.node, body: news.ringMember.appendTo(nil)}),
	})
}

// recoverMember takes over a record of the log.
func (n *Node) recoverMember(r *record) error {
	d := decoder{rest: r.body}
	m := d.ringMember()
	if err := d.end(); err != nil {
		return recordError(err)
	}
	if n.membership == nil {
		return recordError(errRingOfLog)
	}
	if limit := len(n.settings.Nodes); int(m.tokens) >= limit || int(m.replaces) >= limit {
		return recordError(errLogOfLarger)
	}
	n.membership.view.merge(r.home, &m)
	n.membership.logged.merge(r.home, &m)
	return nil
}

func (g *gossipNews) appendTo(buf []byte) []byte {
	buf = append(buf, byte(len(g.stamps)))
	for _, s := range g.stamps {
		buf = s.appendTo(buf)
	}
	buf = append(buf, byte(len(g.news)))
	for i := range g.news {
		buf = append(buf, byte(g.news[i].node))
		buf = g.news[i].ringMember.appendTo(buf)
	}
	return buf
}

func (s stamp) appendTo(buf []byte) []byte {
	return appendUvarint(appendUvarint(buf, uint64(s.generation)), uint64(s.version))
}

// appendTo appends stamp, status and tokens and, if the node replaces another, that and its stamp.
func (m *ringMember) appendTo(buf []byte) []byte {
	buf = append(m.stamp.appendTo(buf), byte(m.status), byte(m.tokens))
	if !m.replacing {
		return append(buf, 0)
	}
	return m.ousted.appendTo(append(buf, 1, byte(m.replaces)))
}

func (d *decoder) gossipNews() Body {
	g := &gossipNews{}
	if count := int(d.byte()); count > 0 {
		g.stamps = make([]stamp, count)
		for i := range g.stamps {
			g.stamps[i] = d.stamp()
		}
	}
	for range int(d.byte()) {
		g.news = append(g.news, memberNews{NodeID(d.byte()), d.ringMember()})
		if !d.ok() {
			return nil
		}
	}
	return g
}

func (d *decoder) stamp() stamp { return stamp{d.uint32(), d.uint32()} }

func (d *decoder) ringMember() ringMember {
	m := ringMember{stamp: d.stamp(), status: MemberStatus(d.byte()), tokens: NodeID(d.byte())}
	if m.status > lastMemberStatus {
		d.fail("unknown status of a member")
	}
	switch d.byte() {
	case 0:
	case 1:
		m.replacing, m.replaces = true, NodeID(d.byte())
		m.ousted = d.stamp()
	default:
		d.fail("neither replacing nor not")
	}
	if !d.ok() {
		return ringMember{}
	}
	return m
}

func init() {
	bodyDecoders[MessageGossip] = (*decoder).gossipNews
	bodyDecoders[MessageGossipAnswer] = (*decoder).gossipNews
}
