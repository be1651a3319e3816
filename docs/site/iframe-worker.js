// Browsers start no worker for a page that was opened from a folder. The search is one, so there it runs in a hidden
// frame, which is told, and answers, what a worker would be told and answer.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = `<script src="${new URL(address, location.href)}"></` + "script>";
      this.inside = new Promise(ready => {
        frame.onload = () => {
          const inside = frame.contentWindow;
          inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
          ready(inside);
        };
      });
      document.documentElement.append(frame);
    }

    postMessage(data) {
      this.inside.then(inside => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
