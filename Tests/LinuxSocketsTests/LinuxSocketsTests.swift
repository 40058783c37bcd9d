// LinuxSocketsTests
