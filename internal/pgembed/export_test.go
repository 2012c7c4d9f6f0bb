package pgembed

// FindIn is Find with its surroundings given.
func FindIn(named string, folders []string) (string, error) { return find(named, folders) }

// Candidates are the folders that Find looks into.
func Candidates() []string { return candidates() }

// Abandon forgets the running server, as the death of its owner would where the kernel does not signal it.
func (s *Server) Abandon() (pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid = s.process.cmd.Process.Pid
	s.process = nil
	_ = s.lock.Close()
	s.lock = nil
	return pid
}

// PID is the number of the server's first process.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Socket is the folder of the socket.
func (s *Server) Socket() string { return s.socket }
