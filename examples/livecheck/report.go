package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
)

func (r *result) verdict() string {
	switch {
	case r.unseen != "":
		return "not seen"
	case r.agrees:
		return "same"
	default:
		return "different"
	}
}

// report writes what was found. What is hidden does not get into it.
func (s *session) report(w io.Writer, results []result) error {
	count := map[string]int{}
	var rows, details strings.Builder
	for _, r := range results {
		count[r.verdict()]++
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", r.name, cell(r.question), r.verdict())
		fmt.Fprintf(&details, "\n## %s: %s\n\n%s\n\n", r.name, r.verdict(), r.question)
		if r.unseen != "" {
			fmt.Fprintf(&details, "- Not seen: %s\n", line(r.unseen))
		} else {
			fmt.Fprintf(&details, "- Nylas: %s\n", line(r.text))
		}
		fmt.Fprintf(&details, "- Emulator: %s\n", r.ours)
		if r.unseen == "" && r.evidence != "" {
			fmt.Fprintf(&details, "- Evidence: %s\n", line(r.evidence))
		}
		fmt.Fprintf(&details, "- In this project: %s\n", r.code)
	}
	text := fmt.Sprintf("# What %s does\n\nAsked on %s with version %s, for a grant of provider %q.\n"+
		"Of %d questions Nylas answers %d as the emulator does and %d otherwise; %d were not seen.\n\n"+
		"| check | question | compared with the emulator |\n|---|---|---|\n%s%s",
		s.api, time.Now().UTC().Format(time.DateOnly), nylas.Version, line(s.provider),
		len(results), count["same"], count["different"], count["not seen"], rows.String(), details.String())
	var pairs []string
	for _, secret := range s.hidden {
		pairs = append(pairs, secret, "[redacted]")
	}
	_, err := strings.NewReplacer(pairs...).WriteString(w, text)
	return err
}

// line is a text without line ends.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
