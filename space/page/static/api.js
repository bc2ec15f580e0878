// What the server is asked, and how its refusals are said.

export class Refusal extends Error {
  constructor(status, error) {
    super([error.where && `${error.where}:`, error.what, error.do].filter(Boolean).join(" "));
    this.status = status;
    this.isStale = status === 409;
  }
}

async function answered(promise) {
  let answer;
  try {
    answer = await promise;
  } catch {
    throw new Refusal(0, {
      what: "The server of this page does not answer.",
      do: "Look whether spacetomo inspect (and the tunnel to it) still runs.",
    });
  }
  let values = null;
  try {
    values = await answer.json();
  } catch {
    throw new Refusal(answer.status, { what: "The server's answer cannot be read." });
  }
  if (!answer.ok) throw new Refusal(answer.status, values.error ?? { what: `Error ${answer.status}.` });
  return values;
}

export function ask(address) {
  return answered(fetch(address, { headers: { accept: "application/json" } }));
}

const sent = (values) => ({
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json" },
  body: JSON.stringify(values),
});

export function post(address, values) {
  return answered(fetch(address, sent(values)));
}

// A file as the answer.
export async function postForFile(address, values) {
  const answer = await fetch(address, sent(values)).catch(() => null);
  return answer?.ok ? answer.blob() : answered(answer ?? Promise.reject(new Error()));
}

export const of = (grid, number) =>
  encodeURIComponent(grid) + (number === undefined ? "" : `/${number}`);
