package engage

import "strconv"

var (
	topics = []string{
		"Chess", "Hiking", "Robotics", "Debate", "Film", "Ballroom", "Astronomy", "Biology", "Cricket", "Jazz", "Pre-Law", "Sailing", "Fencing",
		"Cycling", "Anime", "Botany", "Marketing", "Nursing", "Poetry", "Rowing", "a cappella", "iGEM", "Économie", "Model United Nations", "Climbing", "Baking",
		"Ceramics", "Data Science", "Equestrian", "French", "Gardening", "History", "Improv", "Judo", "Knitting", "Linguistics", "Mathematics", "*Outreach", "Opera", "Physics",
	}
	sorts      = []string{"Society", "Club", "Association", "Council", "Team", "Union", "Collective", "Circle"}
	givenNames = []string{"Jo", "Ana", "Wei", "Fatima", "Luis", "Zoë", "Kofi", "Maria", "Ivan", "Sofia", "Noah", "Amina", "Yuki", "Omar", "Grace", "Søren", "Priya", "Mateo", "Lena", "Tariq"}
	familyName = []string{
		"Doe", "Silva", "Chen", "Haddad", "García", "Novák", "Mensah", "Rossi", "Petrov", "O'Brien", "Kim", "Diallo", "Tanaka", "Nguyen", "Smith", "Jensen", "Patel",
		"López", "Weber", "van der Berg", "Müller", "Ali", "Brown", "Ito", "Khan",
	}
	occasions  = []string{"Open Night", "Weekly Meeting", "Bake Sale", "Tournament", "Workshop", "Lecture", "Social", "Concert", "Fundraiser", "Rehearsal", "Movie Night", "Trip"}
	places     = []string{"Union 210", "Library Atrium", "Main Quad", "Hall B", "", "Room 12, North", "Online"}
	sentences  = []string{"All welcome.", "We meet every week.", "Bring a friend.", "No experience needed.", "Dues are collected in the first month.", "Ask us anything & come along.", "See the notice board."}
	categories = []Category{{5101, "Campus Departments"}, {5117, "Recreation"}, {5120, "Academic"}, {5122, "Service"}, {5131, "Arts & Culture"}, {5140, "Religious"}}
	orgTypes   = []Category{{1243, "Registered Student Organizations"}, {2823, "Campus Departments"}, {2824, "Sport Clubs"}}
	eventTypes = []Category{{3, "On Campus"}, {4, "Off Campus"}, {5, "Online"}}
	roles      = []role{
		{1887, "Member", 1160, "Member"},
		{1888, "President", 1161, "Officer"},
		{1889, "Treasurer", 1161, "Officer"},
		{1890, "Secretary", 1161, "Officer"},
		{1891, "Advisor", 1162, "Advisor"},
		{1892, "Primary Contact", 1163, "Primary Contact"},
		{1893, "Webmaster", 1160, "Member"},
		{1894, "reporter", 1161, "Officer"},
	}
	oddities = []string{" 🎲🧑🏽‍🚀", " \u202etxet", " <b>&amp;</b>", " e\u0301", " \u200bx", " \"quoted\"\\", " ' OR 1=1 --", "\ttab\r\nline"}
)

type role struct {
	template     int64
	templateName string
	kind         int64
	kindName     string
}

// odd puts something unusual behind a text now and then.
func (c *Campus) odd(d *dice, s string) string {
	if d.chance(c.spec.Odd) {
		return s + pick(d, oddities)
	}
	return s
}

// paragraphs is a description as an editor leaves it.
func paragraphs(d *dice, most int) string {
	s := ""
	for n := 1 + d.below(most); n > 0; n-- {
		s += "<p>" + pick(d, sentences) + " " + pick(d, sentences) + "</p>\r\n"
	}
	return s
}

// some is a text now and then, else nothing.
func some(d *dice, ofThousand int, s string) Value {
	if d.chance(ofThousand) {
		return text(s)
	}
	return text("")
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }
