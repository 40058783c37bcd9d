// ProbeReportsTests
