package redcap

import "net/http"

// serve answers a call whose token has been looked up.
func (c *call) serve() {
	switch {
	case c.user == nil, c.user.Expiration != "" && c.user.Expiration <= c.rq.At.In(c.s.o.Zone).Format("2006-01-02"):
		c.fail(http.StatusForbidden, "You do not have permissions to use the API")
	case c.rq.Write:
		c.serveWrite()
	case !c.user.APIExport:
		c.fail(http.StatusForbidden, "You do not have permissions to use the API")
	default:
		c.project.logCall(c.user, c.rq)
		c.serveRead()
	}
}

// serveWrite answers as for a token that may only read.
func (c *call) serveWrite() {
	switch {
	case c.rq.Content == "surveyLink" || c.rq.Content == "surveyQueueLink" || c.rq.Content == "surveyReturnCode" ||
		c.rq.Content == "surveyAccessCode":
		c.text("https://redcap.example.edu/surveys/?s=FAKEHASH00")
	case c.rq.Action == "delete":
		c.fail(http.StatusForbidden, "You do not have permission to delete data through the API")
	default:
		c.fail(http.StatusForbidden, "You do not have API Import/Update privileges")
	}
}

func (c *call) serveRead() {
	switch c.rq.Content {
	case "version":
		c.text(c.version.text)
	case "project":
		c.serveProject()
	case "metadata":
		c.serveMetadata()
	case "instrument":
		c.serveInstruments()
	case "arm":
		c.serveArms()
	case "event":
		c.serveEvents()
	case "formEventMapping":
		c.serveMapping()
	case "repeatingFormsEvents":
		c.serveRepeating()
	case "exportFieldNames":
		c.serveFieldNames()
	case "record":
		c.serveRecords()
	case "log":
		c.serveLog()
	case "dag":
		c.serveDAGs()
	case "userDagMapping":
		c.serveUserDAGs()
	case "user":
		c.serveUsers()
	case "userRole":
		c.serveRoles()
	case "userRoleMapping":
		c.serveRoleMapping()
	case "report":
		c.serveReport()
	case "file":
		c.serveFile()
	case "fileRepository":
		c.serveRepository()
	case "project_xml":
		c.serveProjectXML()
	case "participantList":
		c.serveParticipants()
	case "generateNextRecordName":
		c.serveNextName()
	default:
		c.fail(http.StatusNotImplemented, `The value of the parameter "content" is not valid`)
	}
}
