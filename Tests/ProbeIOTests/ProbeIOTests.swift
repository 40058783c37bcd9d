// ProbeIOTests
