// ProbeEngineTests
