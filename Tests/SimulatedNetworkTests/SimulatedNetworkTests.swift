// SimulatedNetworkTests
