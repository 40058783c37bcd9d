// ProbeReports
