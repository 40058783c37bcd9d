// CommandLineOptionsTests
