// Runs in every page that is measured; see browser.py.
window.bench = {
  seen: (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }),

  // The name may share its button with an icon, so a part of the button may carry it.
  button: (name, where = "body") =>
    [...document.querySelectorAll(`${where} button:enabled`)].find((button) =>
      bench.seen(button) && [button, ...button.querySelectorAll("*")]
        .some((part) => part.textContent.trim() === name)),

  signs: {
    box: (selector) => [...document.querySelectorAll(selector)].some((box) =>
      (box.isContentEditable || box.disabled === false) && !box.readOnly && bench.seen(box)),

    button: (name, where) => bench.button(name, where) !== undefined,

    text: (text, where = "body") => {
      const place = document.querySelector(where)
      if (!place?.textContent.includes(text)) return false
      const has = `contains(., "${text}")`
      const innermost = document.evaluate(`.//*[${has}][not(*[${has}])]`, place, null,
        XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null)
      return [...Array(innermost.snapshotLength).keys()]
        .some((i) => bench.seen(innermost.snapshotItem(i)))
    },
  },

  // Resolves with performance.now() once all signs are there. Looks after every change of the DOM,
  // and in every frame as well, for what turns visible by an animation alone.
  when: (signs, seconds = 60) => new Promise((resolve, reject) => {
    let over = false
    const end = (tell, value) => {
      over = true
      changes.disconnect()
      clearTimeout(limit)
      tell(value)
    }
    const look = () => {
      if (over || !signs.every(([sign, ...what]) => bench.signs[sign](...what))) return
      end(resolve, performance.now())
    }
    const everyFrame = () => {
      look()
      if (!over) requestAnimationFrame(everyFrame)
    }
    const changes = new MutationObserver(look)
    const limit = setTimeout(() =>
      end(reject, new Error(`not seen: ${JSON.stringify(signs)}`)), seconds * 1000)
    changes.observe(document,
      { subtree: true, childList: true, characterData: true, attributes: true })
    everyFrame()
  }),

  // Arms the stopwatch: `bench.elapsed` will be the milliseconds from the next `event`, as the
  // browser dates it, until all signs are there.
  arm: (event, signs) => {
    const started = new Promise((resolve) => window.addEventListener(
      event, ({ timeStamp }) => resolve(timeStamp), { capture: true, once: true }))
    bench.started = undefined
    bench.elapsed = started.then(async (start) => {
      bench.started = start
      return await bench.when(signs) - start
    })
    bench.elapsed.catch(() => {}) // whoever asks for it gets the error
  },

  // How many messages the page has sent within some milliseconds after the last event.
  sentWithin: (milliseconds) => bench.sent.filter((at) =>
    at >= bench.started && at <= bench.started + milliseconds).length,
  sent: [],

  // Resolves once nothing has changed for a while: a person reads before going on.
  quiet: (milliseconds) => new Promise((resolve) => {
    const done = () => {
      changes.disconnect()
      resolve()
    }
    let pause = setTimeout(done, milliseconds)
    const changes = new MutationObserver(() => {
      clearTimeout(pause)
      pause = setTimeout(done, milliseconds)
    })
    changes.observe(document, { subtree: true, childList: true, characterData: true })
    setTimeout(done, 5000) // some pages are never still
  }),
}

const send = WebSocket.prototype.send
WebSocket.prototype.send = function (...message) {
  bench.sent.push(performance.now())
  return send.apply(this, message)
}
