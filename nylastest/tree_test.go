package nylastest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/nylastest"
)

// requireSameTree compares the trees that a parser makes of a body before and after
// rewriting. They have the same nodes, and the pixel is one more inside the body.
func requireSameTree(t *testing.T, m nylastest.Message) {
	t.Helper()
	before, err := html.Parse(strings.NewReader(m.OriginalBody))
	if err != nil {
		return // its elements are nested deeper than the parser goes
	}
	after, err := html.Parse(strings.NewReader(m.Body))
	require.NoError(t, err)
	around := takePixelOut(t, after, m)
	want, got := treeNodes(before, true), treeNodes(after, true)
	// Parsers begin formatting elements anew around an image, which are empty without it.
	for !slices.Equal(want, got) && around.FirstChild == nil && around.Data != "body" {
		empty := around
		around = empty.Parent
		around.RemoveChild(empty)
		got = treeNodes(after, true)
	}
	switch {
	case contains(before, "frameset"): // an image makes a body in its place
	case !slices.Equal(want, got) && !bodyHasNodes(before):
		// All that could be in the body is in the head, in an element that never ends: the
		// image moves it into the body.
		require.Equal(t, treeNodes(before, false), treeNodes(after, false))
	default:
		require.Equal(t, want, got)
	}
}

// takePixelOut checks that the pixel is in the body once, where mail clients show images.
// It takes the pixel out of the tree, returns what it was in, and puts the original
// targets of the links back.
func takePixelOut(t *testing.T, tree *html.Node, m nylastest.Message) (around *html.Node) {
	t.Helper()
	originals := make(map[string]string)
	for _, link := range m.Links {
		originals[link.TrackedURL] = link.URL
	}
	var pixels []*html.Node
	for node := range tree.Descendants() {
		for i, attribute := range node.Attr {
			switch original, tracked := originals[attribute.Val]; {
			case node.Data == "img" && attribute.Key == "src" && attribute.Val == m.PixelURL:
				pixels = append(pixels, node)
			case node.Data == "a" && attribute.Key == "href" && tracked:
				node.Attr[i].Val = original
			}
		}
	}
	require.Len(t, pixels, 1)
	inside := false
	for node := range pixels[0].Ancestors() {
		require.Empty(t, node.Namespace)
		require.NotContains(t, []string{"head", "template", "select"}, node.Data)
		inside = inside || node.Data == "body"
	}
	require.True(t, inside)
	around = pixels[0].Parent
	around.RemoveChild(pixels[0])
	return around
}

func contains(tree *html.Node, name string) bool {
	for node := range tree.Descendants() {
		if node.Type == html.ElementNode && node.Data == name {
			return true
		}
	}
	return false
}

func bodyHasNodes(tree *html.Node) bool {
	for node := range tree.Descendants() {
		if node.Type == html.ElementNode && node.Data == "body" {
			return node.FirstChild != nil
		}
	}
	return false
}

// treeNodes lists the nodes of a tree in their order, without the white space in its
// texts. With depths it has all of them, otherwise not those of every document.
func treeNodes(tree *html.Node, depths bool) []string {
	var nodes []string
	text := ""
	end := func() {
		if text != "" {
			nodes = append(nodes, text)
		}
		text = ""
	}
	var walk func(node *html.Node, depth int)
	walk = func(node *html.Node, depth int) {
		if node.Type == html.TextNode {
			text += strings.Join(strings.Fields(node.Data), "")
			return
		}
		end()
		if depths || node.Type != html.DoctypeNode && !slices.Contains([]string{"html", "head", "body"}, node.Data) {
			name := fmt.Sprint(node.Type, " ", node.Namespace, " ", node.Data)
			for _, a := range node.Attr {
				name += fmt.Sprintf(" %s=%q", a.Key, strings.Trim(a.Val, " \t\n\f\r"))
			}
			if depths {
				name = fmt.Sprint(depth, " ", name)
			}
			nodes = append(nodes, name)
		}
		for child := range node.ChildNodes() {
			walk(child, depth+1)
		}
		end()
	}
	walk(tree, 0)
	return nodes
}
