package engage

import "syncd/extract"

// currentMember is the view of who holds which position now.
const currentMember = "current_member"

// views are those that can be made of the resources that are pulled. A membership is current once it has begun and until its
// end has come; what the person reports goes before what the system recorded. Days begin when they do where the vendor is.
func views(pulled func(string) bool) []extract.View {
	if !pulled(memberships) {
		return nil
	}
	const (
		of = `SELECT m.organization_id, m.organization_name, m.position_id, m.position_name, m.position_type_name, m.membership_id, m.user_id, m.username,
	m.user_first_name AS first_name, m.user_last_name AS last_name, m.user_campus_email AS campus_email,
	coalesce(m.position_reported_start_date, m.position_recorded_start_date) AS started_on,
	coalesce(m.position_reported_end_date, m.position_recorded_end_date) AS ends_on`
		ofUser = `, u.card_id, u.sis_id, u.preferred_email, u.status AS user_status`
		from   = ` FROM {memberships} AS m`
		joined = ` LEFT JOIN {users} AS u ON u.user_id = m.user_id`
		now    = `(clock_timestamp() AT TIME ZONE 'America/New_York')::date`
		where  = ` WHERE coalesce(m.position_reported_start_date, m.position_recorded_start_date, '-infinity') <= ` + now +
			` AND coalesce(m.position_reported_end_date, m.position_recorded_end_date, 'infinity') > ` + now
	)
	v := extract.View{Name: currentMember, Comment: "Who holds which position in which organization now", Query: of + from + where}
	if pulled(users) {
		v.Comment += ", with card id and e-mail"
		v.Query = of + ofUser + from + joined + where
	}
	return []extract.View{v}
}
