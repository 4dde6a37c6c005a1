// Package count counts words. It belongs to the wordfreq plugin: a change here changes the plugin, which is then reloaded.
package count

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Word is a word and the number of times it was seen.
type Word struct {
	Word  string `yaml:"word"`
	Count int    `yaml:"count"`
}

// Add adds the words of text to freq and returns their number. Case and punctuation don't matter.
func Add(freq map[string]int, text string) int {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
	for _, w := range words {
		freq[w]++
	}
	return len(words)
}

// Top returns the n most frequent words, the most frequent first. Words that are equally frequent are in alphabetical order.
func Top(freq map[string]int, n int) []Word {
	words := make([]Word, 0, len(freq))
	for _, w := range slices.Sorted(maps.Keys(freq)) {
		words = append(words, Word{Word: w, Count: freq[w]})
	}
	slices.SortStableFunc(words, func(a, b Word) int { return cmp.Compare(b.Count, a.Count) })
	return words[:min(n, len(words))]
}
