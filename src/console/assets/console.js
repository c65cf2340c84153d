// What makes the console more comfortable. All of it works without.
;(() => {
  const each = (selector, act) => {
    for (const element of document.querySelectorAll(selector)) act(element)
  }

  // Text to copy.
  const prepare = () =>
    each('[data-copy][hidden]', (button) => {
      button.hidden = false
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(button.parentElement.querySelector('code').textContent)
        const said = button.textContent
        button.textContent = 'Copied'
        setTimeout(() => {
          button.textContent = said
        }, 1500)
      })
    })
  prepare()
  document.addEventListener('htmx:afterSwap', prepare)

  // Phones: the menu is open only without scripts.
  const narrow = matchMedia('(max-width: 60rem)')
  const fold = () =>
    each('details.menu', (menu) => (narrow.matches ? menu.removeAttribute('open') : menu.setAttribute('open', '')))
  fold()
  narrow.addEventListener('change', fold)

  // A setup link as an address: its secret is behind #, which no server is told.
  const link = document.getElementById('field-link')
  if (link && location.hash.length > 1) {
    link.value = decodeURIComponent(location.hash.slice(1))
    history.replaceState(null, '', location.pathname)
    document.getElementById('field-password')?.focus()
  }

  // What cannot be taken back is asked for once more.
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-ask]')
    if (button && !confirm(button.dataset.ask)) event.preventDefault()
  })

  // Filters apply when a choice is made.
  document.addEventListener('change', (event) => {
    if (event.target.matches('form[data-instant] select')) event.target.form.requestSubmit()
  })

  // One tick for all rows of a list.
  document.addEventListener('change', (event) => {
    if (!event.target.matches('[data-all]')) return
    each(`input[name="${event.target.dataset.all}"]`, (box) => {
      box.checked = event.target.checked
    })
  })

  // A file that is dropped or chosen goes into the text area beside it.
  const take = async (area, file) => {
    if (!file || file.size > 65_536) return
    const text = await file.text()
    if (/-----BEGIN/.test(text)) {
      area.value = text
      return
    }
    const bytes = new Uint8Array(await file.arrayBuffer())
    area.value = btoa(String.fromCharCode(...bytes))
  }
  each('textarea[data-drop]', (area) => {
    area.addEventListener('dragover', (event) => event.preventDefault())
    area.addEventListener('drop', (event) => {
      if (event.dataTransfer.files.length === 0) return
      event.preventDefault()
      take(area, event.dataTransfer.files[0])
    })
  })

  // What others do shows at once: parts that say data-live are asked for anew, when nobody is in the middle of them.
  let missed = false
  const isBusy = (part) =>
    document.hidden ||
    part.contains(document.activeElement) ||
    part.querySelector('input[type=checkbox]:checked, details[open]')
  const renew = () => {
    missed = false
    each('[data-live]', (part) => {
      if (isBusy(part)) {
        missed = true
        return
      }
      htmx.ajax('GET', location.pathname + location.search, {
        target: part,
        select: `#${part.id}`,
        swap: 'outerHTML',
      })
    })
  }
  // Where the focus goes to is known a moment after it has left.
  const catchUp = () => setTimeout(() => missed && renew())

  // One connection for all windows of the browser: it opens six to a server, and pages need them.
  const follow = () =>
    new Promise((end) => {
      const source = new EventSource('/console/live')
      source.addEventListener('changed', () => {
        others.postMessage('changed')
        renew()
      })
      source.addEventListener('error', () => source.readyState === EventSource.CLOSED && end())
      addEventListener('pagehide', () => {
        source.close()
        end()
      })
    })
  const others = new BroadcastChannel('console-live')
  if (document.querySelector('[data-live]')) {
    others.addEventListener('message', renew)
    navigator.locks.request('console-live', follow)
    for (const event of ['focusout', 'change', 'visibilitychange']) document.addEventListener(event, catchUp)
    // It does not bubble.
    document.addEventListener('toggle', catchUp, true)
  }
})()
