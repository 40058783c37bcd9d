// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableExperimentalFeature("Lifetimes"),
]

/// A Swift library or tool of this package with the settings that all of them share.
func library(
    _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [], moreSettings: [SwiftSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings + moreSettings)
}

/// Tests send a million packets through these, which takes half a minute without, and their own loops are as long.
/// Packages that depend on this one are not refused for it: SwiftPM stopped that with 6.2, the least that this manifest
/// takes.
let optimisedInDebug: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

func tool(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], moreSettings: [SwiftSetting] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings + moreSettings)
}

let package = Package(
    name: "swift-netprobe",
    products: [
        .library(name: "PacketFormats", targets: ["PacketFormats"]),
        .library(name: "LinuxSockets", targets: ["LinuxSockets"]),
        .library(name: "ProbeEngine", targets: ["ProbeEngine"]),
        .library(name: "ProbeIO", targets: ["ProbeIO"]),
        .executable(name: "swping", targets: ["swping"]),
        .executable(name: "swtrace", targets: ["swtrace"]),
        .executable(name: "swecho", targets: ["swecho"]),
        .executable(name: "swlab", targets: ["swlab"]),
    ],
    dependencies: [
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0")
    ],
    targets: [
        .target(name: "CLinuxSockets"),
        .systemLibrary(name: "CLibcap", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),
        library("PacketFormats", moreSettings: optimisedInDebug),
        library("LinuxSockets", ["PacketFormats", "CLinuxSockets", "CLibcap"]),
        library(
            "ProbeEngine", ["PacketFormats", .product(name: "Histogram", package: "hdrhistogram-swift")],
            moreSettings: optimisedInDebug),
        library("ProbeIO", ["ProbeEngine", "LinuxSockets", "PacketFormats"]),
        library("ProbeReports", ["ProbeEngine", "PacketFormats"], exclude: ["Schemas"]),
        library("SimulatedNetwork", ["PacketFormats"], moreSettings: optimisedInDebug),
        library("CommandLineOptions", ["CLinuxSockets"]),
        tool(
            "swping", ["CommandLineOptions", "ProbeReports", "ProbeIO", "ProbeEngine", "LinuxSockets", "PacketFormats"]),
        tool(
            "swtrace",
            ["CommandLineOptions", "ProbeReports", "ProbeIO", "ProbeEngine", "LinuxSockets", "PacketFormats"]),
        tool("swecho", ["CommandLineOptions", "ProbeReports", "ProbeIO", "LinuxSockets", "PacketFormats"]),
        tool("swlab", ["CommandLineOptions", "SimulatedNetwork", "LinuxSockets", "CLinuxSockets", "PacketFormats"]),
        .target(
            name: "TestSupport", dependencies: ["ProbeReports", "LinuxSockets", "PacketFormats"],
            path: "Tests/TestSupport",
            swiftSettings: settings + optimisedInDebug),
        tests("PacketFormatsTests", ["PacketFormats"], moreSettings: optimisedInDebug),
        tests("LinuxSocketsTests", ["LinuxSockets", "PacketFormats", "TestSupport"]),
        tests("CommandLineOptionsTests", ["CommandLineOptions"]),
        tests("SimulatedNetworkTests", ["SimulatedNetwork", "PacketFormats"]),
        tests(
            "ProbeEngineTests", ["ProbeEngine", "SimulatedNetwork", "PacketFormats"], moreSettings: optimisedInDebug),
        tests("ProbeReportsTests", ["ProbeReports", "ProbeEngine", "PacketFormats", "TestSupport"]),
        tests("ProbeIOTests", ["ProbeIO", "ProbeEngine", "LinuxSockets", "PacketFormats", "TestSupport"]),
        tests("ToolTests", ["SimulatedNetwork", "ProbeReports", "PacketFormats", "LinuxSockets", "TestSupport"]),
    ]
)
