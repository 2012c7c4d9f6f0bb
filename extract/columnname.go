package extract

import "strings"

// runs are abbreviations that stand beside one another, and plurals of abbreviations: nothing in their letters tells where the words part.
var runs = strings.NewReplacer("EHRID", "EhrId", "IDs", "Ids")

// ColumnName makes the name of a column out of the path of a field: words in lower case, joined by '_'. VisitNumber is
// visit_number, IDType id_type, AttendingProvider.NPI attending_provider_npi. What Postgres would cut is hashed.
func ColumnName(path string) string {
	s := runs.Replace(path)
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		upper := c >= 'A' && c <= 'Z'
		switch {
		case parted(c):
			b.WriteByte('_')
			continue
		case !upper || i == 0 || parted(s[i-1]):
		case !isUpper(s[i-1]), i+1 < len(s) && s[i+1] >= 'a' && s[i+1] <= 'z':
			b.WriteByte('_')
		}
		if upper {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return PostgresName(b.String())
}

// parted reports whether a character stands between words.
func parted(c byte) bool { return c == '.' || c == '-' || c == ' ' }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
