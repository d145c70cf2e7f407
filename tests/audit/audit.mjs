// The audits of graphql-http against the server at URL, with TOKEN where one is set. One line an audit that
// fails, then how many passed; the status is 0 if all did.
import { serverAudits } from 'graphql-http';

const { URL: url, TOKEN: token } = process.env;

const fetchFn = (to, request = {}) => {
  const headers = { ...request.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  return fetch(to, { ...request, headers });
};

const audits = serverAudits({ url, fetchFn });
const failed = [];
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status !== 'ok') failed.push(`${audit.id} ${audit.name}: ${result.reason}`);
}
for (const line of failed) console.log(line);
console.log(`${audits.length - failed.length}/${audits.length}`);
process.exitCode = failed.length === 0 && audits.length > 0 ? 0 : 1;
