// Migrates a model with jujulib and looks at it until it is somewhere else, whatever happens meanwhile.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node follow.cjs ADDRESS USER PASSWORD REQUEST
//
// Prints `begun`, then `look STATUS` for each look and `failed WHY` for each that failed, and `moved` at the end.
'use strict';

const { connectAndLogin } = require('@canonical/jujulib');
const wsclass = require('websocket').w3cwebsocket;
const facade = (name) => require(`@canonical/jujulib/dist/api/facades/${name}`).default;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The library leaves a call unanswered whose connection ends.
const soon = (asked) => Promise.race([asked, pause(3000).then(() => { throw new Error('no answer'); })]);

async function main(address, username, password, text) {
  const request = JSON.parse(text);
  const tag = request.specs[0]['model-tag'];
  const connected = () => soon(connectAndLogin(`wss://${address}/api`, {
    closeCallback: () => {}, debug: false, facades: [facade('controller'), facade('model-manager')], wsclass,
  }, { username, password }));

  let controller = await connected();
  const begun = await controller.conn.facades.controller.initiateMigration(request);
  if (!begun.results[0]['migration-id']) {
    throw new Error(JSON.stringify(begun));
  }
  console.log('begun');
  for (;;) {
    try {
      controller = controller || await connected();
      const told = await soon(controller.conn.facades.modelManager.modelInfo({ entities: [{ tag }] }));
      const { result, error } = told.results[0];
      if (error && error.code === 'redirection required') {
        console.log('moved');
        process.exit(0);
      }
      console.log('look', result ? (result.migration || {}).status : error.message);
    } catch (error) {
      console.log('failed', error.message);
      controller = null;
    }
    await pause(300);
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
