// What a new schema changes for clients: prints breaking and dangerous changes, and fails on breaking ones.
//
//   npm install --no-save graphql@16
//   node .github/schema-changes.mjs before.graphql after.graphql
import { readFileSync } from 'node:fs';
import { buildSchema, findBreakingChanges, findDangerousChanges } from 'graphql';

const [before, after] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, 'utf8')));
const breaking = findBreakingChanges(before, after);
const dangerous = findDangerousChanges(before, after);
for (const { type, description } of breaking) console.log(`BREAKING   ${type}: ${description}`);
for (const { type, description } of dangerous) console.log(`dangerous  ${type}: ${description}`);
console.log(`${breaking.length} breaking, ${dangerous.length} dangerous changes`);
process.exitCode = breaking.length > 0 ? 1 : 0;
