// ProbeIO
