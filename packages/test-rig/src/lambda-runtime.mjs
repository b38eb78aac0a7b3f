// One execution environment of a function, as a process: imports the bundle and answers one event after the other (lambda-function.ts).

const { handler } = await import(process.env.BUNDLE)

process.on('message', async ({ event, timeoutMs }) => {
  const end = performance.now() + timeoutMs
  try {
    const response = await handler(event, { getRemainingTimeInMillis: () => end - performance.now() })
    process.send({ response })
  } catch (error) {
    process.send({ error: String(error?.stack) })
  }
})
process.send({ ready: true })
