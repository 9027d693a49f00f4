// The user's database: it keeps events as lines, and the first save of an event whose label
// begins with "fails once" fails.
const lines = [];
const failed = new Set();

export const journal = {
  save({ kind, message, label, time }) {
    if (label?.startsWith('fails once') && !failed.has(label)) {
      failed.add(label);
      throw new Error('the database is down');
    }
    lines.push(`${kind} ${message} ${time} ${label ?? ''}`);
  },
  report: () => lines.map((line) => line + '\n').join(''),
};
