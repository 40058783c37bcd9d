// PacketFormatsTests
