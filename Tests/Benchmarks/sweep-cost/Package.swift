// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that whoever builds the tools need not build this:
// swift run -c release --package-path Tests/Benchmarks/sweep-cost sweep-cost engine
let package = Package(
    name: "sweep-cost",
    dependencies: [.package(name: "swift-netprobe", path: "../../..")],
    targets: [
        .executableTarget(
            name: "sweep-cost",
            dependencies: ["PacketFormats", "LinuxSockets", "ProbeEngine", "ProbeIO"].map {
                .product(name: $0, package: "swift-netprobe")
            },
            path: "Sources",
            swiftSettings: [
                .swiftLanguageMode(.v6), .strictMemorySafety(), .enableExperimentalFeature("Lifetimes"),
            ])
    ]
)
