// Package nodesdk runs the official Node SDK of Nylas, unchanged, against
// examples/emulator. What its tests run is in the folder suite.
//
// Install installs the SDK by npm ci, in the version of package-lock.json, into the user's
// cache. Without Node.js, npm or a registry the tests are skipped, and fail with CI=true.
//
// To work on the suite, start the emulator, paste the line that it prints, and run npm ci
// and npm test here.
package nodesdk
