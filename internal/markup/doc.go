// Package markup reads the HTML of a message the way tracking does: which tags there
// are and where, which anchors, where the target of an anchor stands in the source,
// which targets Nylas tracks, which hold a placeholder or a character that nobody sees,
// whether anchors are nested well, which hosts a text names, and which URLs seem to hold
// a secret.
//
// Package preflight, the emulator and StripPixel share it.
package markup
