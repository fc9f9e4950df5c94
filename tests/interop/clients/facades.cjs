// Calls methods of jujulib's own facade classes, each of one version, and prints the replies as JSON.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node facades.cjs ADDRESS PATH USER PASSWORD CALLS
//
// CALLS is a list of [folder, class, method, params]; PATH is /api, or /model/UUID/api. A reply is {"reply": …} or {"error": text}.
'use strict';

const { connect } = require('@canonical/jujulib');
const wsclass = require('websocket').w3cwebsocket;

async function main(address, path, username, password, text) {
  const juju = await connect(`wss://${address}${path}`, { closeCallback: () => {}, debug: false, facades: [], wsclass });
  const answered = [];
  const ask = async (asked) => {
    try {
      answered.push({ reply: await asked() });
    } catch (error) {
      answered.push({ error: error.message });
    }
  };
  // Without a user, what anybody may ask: where the model went.
  if (username) {
    await juju.login({ username, password });
  }
  for (const [folder, name, method, params] of JSON.parse(text)) {
    const Facade = require(`@canonical/jujulib/dist/api/facades/${folder}/${name}.js`).default;
    await ask(() => new Facade(juju._transport, {})[method](params));
  }
  console.log(JSON.stringify(answered));
  process.exit(0);
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
