package events

// What became of a grant. After a grant expired, its replies are not seen; once it is
// deleted, the pixels and links in its sent mail are dead.
//
// https://developer.nylas.com/docs/reference/notifications/
type (
	// GrantCreated is the data of grant.created.
	GrantCreated struct{ GrantChange }
	// GrantUpdated is the data of grant.updated.
	GrantUpdated struct{ GrantChange }
	// GrantDeleted is the data of grant.deleted.
	GrantDeleted struct{ GrantChange }
	// GrantExpired is the data of grant.expired.
	GrantExpired struct{ GrantChange }
)

// GrantChange describes a grant that was created, updated, deleted or has expired. Any field
// but GrantID can be missing.
//
// https://developer.nylas.com/docs/reference/notifications/grants/
type GrantChange struct {
	// Code is 25009 for a grant that has expired, 25012 for a new one, 25013 for a deleted
	// one, 25014 for an updated one, and 25027 for one whose owner authenticated again.
	Code          Int     `json:"code,omitzero"`
	GrantID       string  `json:"grant_id"`
	IntegrationID string  `json:"integration_id,omitzero"`
	Provider      string  `json:"provider,omitzero"` // such as "google"
	LoginID       string  `json:"login_id,omitzero"`
	Email         Address `json:"email,omitzero"` // of the mailbox
	// Name and Scope, what the owner allowed, come with grant.created. An update has Scope
	// only sometimes.
	Name  string   `json:"name,omitzero"`
	Scope []string `json:"scope,omitzero"`
	// Metadata is what the application stored with the grant.
	Metadata Metadata `json:"metadata,omitzero"`
	// ReauthenticationFlag is nil if Nylas did not say.
	ReauthenticationFlag *bool `json:"reauthentication_flag,omitzero"`
	// GrantUpdatedAt is the last time that Nylas could refresh a grant which has expired.
	GrantUpdatedAt Timestamp `json:"grant_updated_at,omitzero"`
}

// AlertTriggered is the data of an alert.triggered notification. Nylas sends one when a
// sending domain passes the threshold of a rule, and again every 24 hours while it does.
// A repetition has the same ID and the next NotificationSeq.
//
// https://developer.nylas.com/docs/reference/notifications/
type AlertTriggered struct {
	Object          string    `json:"object,omitzero"` // "alert"
	ID              string    `json:"id"`
	GrantID         string    `json:"grant_id,omitzero"` // empty, as a rule
	Status          string    `json:"status,omitzero"`   // "firing"
	NotificationSeq Int       `json:"notification_seq"`  // counts from 1
	StartedAt       Timestamp `json:"started_at,omitzero"`
	TriggeredAt     Timestamp `json:"triggered_at,omitzero"`
	SendingDomain   string    `json:"sending_domain,omitzero"`
	Rule            AlertRule `json:"rule,omitzero"`
}

// AlertRule is the rule that an alert is about, in an [AlertTriggered].
type AlertRule struct {
	ID     string `json:"id,omitzero"`
	Metric string `json:"metric,omitzero"` // "bounce_rate", "complaint_rate" or "delivery_rate"
	// Threshold is in percent, with up to 2 decimals.
	Threshold   float64 `json:"threshold,omitzero"`
	WindowHours Int     `json:"window_hours,omitzero"`
	MinVolume   Int     `json:"min_volume,omitzero"` // messages
}

func (r *AlertRule) setText(id string) { r.ID = id }

func (*GrantChange) tracked() []Tracked    { return nil }
func (*AlertTriggered) tracked() []Tracked { return nil }
