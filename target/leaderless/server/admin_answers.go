package server

// What the paths of operators answer, as JSON.

// Ring answers GET /admin/ring.
type Ring struct {
	// Nodes are the members of the ring, by name.
	Nodes []RingNode `json:"nodes"`
	// Tokens are in the order of the ring.
	Tokens []RingToken `json:"tokens"`
	// Members is what this node knows of every node, on the ring or not.
	Members []Member `json:"members"`
}

// RingNode is one member's part in the ring.
type RingNode struct {
	Node   string `json:"node"`
	Tokens int    `json:"tokens"`
	// Share is the part of the circle of which the node is the first home replica, 0…1.
	Share float64 `json:"share"`
}

// RingToken is a point on the ring, as 16 hexadecimal digits, and its owner.
type RingToken struct {
	Token string `json:"token"`
	Node  string `json:"node"`
}

// Preference answers GET /admin/preference/KEY.
type Preference struct {
	Key string `json:"key"`
	// Position is the key's place on the ring, as 16 hexadecimal digits.
	Position string `json:"position"`
	// Home are the key's home replicas in order, Then the other members in the
	// order in which they stand in for them.
	Home []string `json:"home"`
	Then []string `json:"then"`
}

// Members answers GET /admin/members.
type Members struct {
	// Members are all nodes of the settings as this one knows them.
	Members []Member `json:"members"`
	// Rejoining says that this node fetches what it missed before it is read again.
	Rejoining bool `json:"rejoining"`
}

// Member is what a node knows of another, or of itself.
type Member struct {
	Node string `json:"node"`
	// Status is spare, joining, arriving, normal, leaving, departing, left …; see core.MemberStatus.
	Status string `json:"status"`
	// Replaces is the node whose place it takes or took.
	Replaces string `json:"replaces,omitempty"`
	// Generation and Version are the stamp of the latest that it said of itself.
	Generation uint32 `json:"generation"`
	Version    uint32 `json:"version"`
	Suspected  bool   `json:"suspected"`
}

// Versions answers GET /admin/versions/KEY.
type Versions struct {
	Key string `json:"key"`
	// Replicas are the home replicas in order, then the other nodes.
	Replicas []HeldVersion `json:"replicas"`
	// Agree says that all home replicas answered and hold the same.
	Agree bool `json:"agree"`
}

// HeldVersion is what one node holds of a key.
type HeldVersion struct {
	Node string `json:"node"`
	Home bool   `json:"home"`
	// Answered: if not, nothing is known of it.
	Answered bool `json:"answered"`
	// Version is the newest that it holds; absent where it holds nothing.
	Version string `json:"version,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	// Value is its value as text, or ValueBase64 where it is none; with
	// siblings there are several.
	Value       *string       `json:"value,omitempty"`
	ValueBase64 string        `json:"value_base64,omitempty"`
	Siblings    []HeldSibling `json:"siblings,omitempty"`
}

// HeldSibling is one of several values.
type HeldSibling struct {
	Version     string  `json:"version"`
	Dot         string  `json:"dot,omitempty"`
	Deleted     bool    `json:"deleted,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 string  `json:"value_base64,omitempty"`
}

// Hints answers GET /admin/hints.
type Hints struct {
	// Hints are those that the node keeps, by the node that they are for and by key.
	Hints []HintView `json:"hints"`
	// LackingSeconds is how long the node has kept hints for another without a break, by name.
	LackingSeconds map[string]float64 `json:"lacking_seconds"`
	// OldestSeconds is the age of the oldest hint for each, by name, by the node's wall clock.
	OldestSeconds map[string]float64 `json:"oldest_seconds"`
	// Kept and Delivered were so since the node's start; Expired were dropped
	// because of their age, Refused not kept because the node had been away for
	// too long, PassedOn left to another node, Dropped not kept because there were too many.
	Kept      uint64 `json:"kept"`
	Delivered uint64 `json:"delivered"`
	Expired   uint64 `json:"expired"`
	Refused   uint64 `json:"refused"`
	PassedOn  uint64 `json:"passed_on"`
	Dropped   uint64 `json:"dropped"`
	// Unflushed are in memory only, until hints are written to the log next.
	Unflushed int `json:"unflushed"`
}

// HintView is one hint.
type HintView struct {
	For     string `json:"for"`
	Key     string `json:"key"`
	Version string `json:"version"`
	// AgeSeconds is its age by the node's wall clock; absent where it is not known.
	AgeSeconds float64 `json:"age_seconds,omitempty"`
}

// Siblings answers GET /admin/siblings.
type Siblings struct {
	// Keys counts the keys that can have several values, by how many they have;
	// the last number stands for that many or more.
	Keys map[string]int `json:"keys"`
	// Most are the keys with the most values, at most limit (10) of them.
	Most []SiblingsOf `json:"most"`
}

// SiblingsOf says how many values a key has.
type SiblingsOf struct {
	Key      string `json:"key"`
	Siblings int    `json:"siblings"`
}

// Trees answers GET /admin/trees.
type Trees struct {
	Trees []TreeView `json:"trees"`
}

// TreeView is the hash tree of the keys with the same home replicas. Hashes are 16 hexadecimal digits.
type TreeView struct {
	Members []string   `json:"members"`
	Keys    int        `json:"keys"`
	Depth   int        `json:"depth"`
	Root    string     `json:"root"`
	Peers   []TreePeer `json:"peers"`
	Leaves  []TreeLeaf `json:"leaves,omitempty"`
}

// TreePeer is what the node knows of another member.
type TreePeer struct {
	Node string `json:"node"`
	// Equal: both were found equal, and this node has not changed since.
	Equal bool `json:"equal"`
	// Different counts the keys that differed when they were compared last.
	Different uint64 `json:"different"`
}

// TreeLeaf is a leaf that has keys.
type TreeLeaf struct {
	Leaf int    `json:"leaf"`
	Keys int    `json:"keys"`
	Hash string `json:"hash"`
}
