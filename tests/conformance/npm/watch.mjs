// Which public methods of a client were called and did what was asked: what is left over at the end, no test has seen.
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";

const within = new AsyncLocalStorage();      // calls that a method makes of others do not count
const uncalled = new Set();

/** types: the declaration file of the class, which says what of it is private. */
export function watch(Client, types) {
  const hidden = new Set([...readFileSync(types, "utf8").matchAll(/^\s+private (?:readonly )?(\w+)/gm)].map((match) => match[1]));
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(Client.prototype))) {
    if (name === "constructor" || hidden.has(name)) continue;
    const label = `${Client.name}.${name}`;
    uncalled.add(label);
    const done = (result) => (within.getStore() ?? uncalled.delete(label), result);
    if (property.get) {
      Object.defineProperty(Client.prototype, name, { ...property, get() { return done(property.get.call(this)); } });
      continue;
    }
    Client.prototype[name] = function (...values) {
      const result = within.run(true, () => property.value.apply(this, values));
      return typeof result?.then === "function" ? result.then(done) : done(result);
    };
  }
}

export const leftOver = () => [...uncalled].sort();
