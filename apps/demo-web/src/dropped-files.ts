// The files of a drop, those of a dropped folder among them.

export async function droppedFiles({ items, files }: DataTransfer): Promise<File[]> {
  // The entries must be taken before the first wait: the browser forgets the drop after it.
  const entries = [...items].map((item) => item.webkitGetAsEntry());
  const folder = entries.find((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  return folder ? filesOf(folder) : [...files];
}

/** The files that lie directly in a folder. */
async function filesOf(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    // A reader gives a hundred entries at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  const files = found.filter((entry): entry is FileSystemFileEntry => entry.isFile);
  return Promise.all(files.map((entry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject))));
}
