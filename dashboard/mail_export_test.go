package dashboard

// ShowMail is showMail, for a table of bodies and for fuzzing.
var ShowMail = showMail
