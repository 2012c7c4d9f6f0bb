package redcap

// Kind names what is done to an answer.
type Kind string

// Fault is one thing that goes wrong.
type Fault struct{ Kind Kind }

type armed struct{ Fault }

func (s *Server) arm(Request) *armed { return nil }
func (c *call) strike() bool         { return false }
func (c *call) droppedIDs() func(string) bool {
	return func(string) bool { return false }
}
