/// The release that `--version` and the man pages name.
public struct Release: Sendable {
    /// The package's name.
    public var package: String
    /// The version, as semver.org writes it.
    public var version: String
    /// The day of the release as mdoc(7) writes it: `November 25, 2026`.
    public var date: String

    public init(package: String, version: String, date: String) {
        self.package = package
        self.version = version
        self.date = date
    }

    /// The release that this source is.
    public static let current = Release(package: "swift-netprobe", version: "0.1.0", date: "November 25, 2026")
}
