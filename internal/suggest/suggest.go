// Package suggest finds the name that was probably meant. It never decides anything: what it returns is for messages.
package suggest

import "slices"

// Closest returns the name that can be made of a wrong one by the fewest changes of one letter each, or "" if that takes more than two,
// or more than half of the letters.
func Closest(wrong string, names []string) (closest string) {
	fewest := min(2, len(wrong)/2) + 1
	for _, name := range names {
		if n := distance([]rune(wrong), []rune(name)); n < fewest {
			closest, fewest = name, n
		}
	}
	return closest
}

// distance returns how many letters must be added, removed, replaced or swapped with their neighbours.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + slices.Min([]int{rows[i-1][j], rows[i][j-1], rows[i-1][j-1]})
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}
