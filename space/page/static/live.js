// Hears from the server what has changed, and connects again when the connection is lost.

const AGAIN_MS = 5000;

export function listen(changed, isLive) {
  let source = null;
  function open() {
    source = new EventSource("/api/events");
    source.addEventListener("open", () => isLive(true));
    source.addEventListener("message", (message) => {
      isLive(true);
      const topics = JSON.parse(message.data).changed;
      if (topics.length) changed(topics);
    });
    source.addEventListener("error", () => {
      isLive(false);
      // A browser tries again by itself only where the connection was lost, not where it was refused.
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => {
          open();
          changed(["all"]);
        }, AGAIN_MS);
      }
    });
  }
  open();
  // A phone that slept may have missed the end of its connection.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && source.readyState !== EventSource.OPEN) changed(["all"]);
  });
}
