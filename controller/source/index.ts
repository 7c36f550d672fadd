export { knownKinds } from './kinds.ts';
export { readText, scan, type FileFault, type FoundFile, type Scan } from './files/scan.ts';
export { watchFiles, type FileSet, type FileWatch, type FileWatchEnvironment } from './files/watch.ts';
export { openFiles, readFiles, type FileSource, type FileSourceEnvironment, type LoadedFiles } from './files/source.ts';
export { ManifestStore, type Loaded } from './files/store.ts';
export { listPages, locateKind, pathOf, readCluster, type ClusterReading, type ListOptions, type Location, type ReadEnvironment } from './kube/index.ts';
