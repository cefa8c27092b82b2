// An SMSC that we did not write, on node-smpp, told what to do over standard input.
//
//   in    {"do": "deliver", "pdu": {...}}       text "sm" goes out as UCS-2, or data_coding 0 if plain
//         {"do": "refuse", "status": 14}        refuse binds from now on; 0 accepts again
//         {"do": "throttle", "count": 3}        answer the next N submit_sm with 0x58
//         {"do": "mute", "count": 1}            leave the next N submit_sm unanswered
//         {"do": "drop"}                        cut every connection
//         {"do": "trickle", "on": true}         write one octet at a time from the next connection on
//         {"do": "garbage", "hex": "00000000"}  write these octets
//         {"do": "unbind"}                      ask every ESME to unbind
//   out   {"saw": "done"} after each of those; {"saw": "listening" | "bind" | "submit" | "deliver_resp" | "close" | ..., ...}
'use strict';

const path = require('path');
const readline = require('readline');
const smpp = require(path.join(process.argv[2], 'node_modules', 'smpp'));

let refuse = 0;
let throttle = 0;
let mute = 0;
let trickle = false;
let count = 0;
const sessions = new Set();

function tell(saw, more) {
  process.stdout.write(JSON.stringify(Object.assign({saw}, more)) + '\n');
}

function slowly(socket) {
  const write = socket.write.bind(socket);
  socket.write = function (data, done) {
    for (let at = 0; at < data.length - 1; at++) write(data.subarray(at, at + 1));
    return write(data.subarray(data.length - 1), done);
  };
}

const server = smpp.createServer(function (session) {
  session.socket.setNoDelay(true);
  if (trickle) slowly(session.socket);
  sessions.add(session);

  function bound(pdu) {
    tell('bind', {command: pdu.command, system_id: pdu.system_id, version: pdu.interface_version});
    session.send(pdu.response({command_status: refuse, system_id: 'node'}));
    if (refuse) session.close();
  }
  session.on('bind_transceiver', bound);
  session.on('bind_transmitter', bound);
  session.on('bind_receiver', bound);

  session.on('submit_sm', function (pdu) {
    const text = pdu.short_message.message;
    const udh = pdu.short_message.udh;
    tell('submit', {
      source: pdu.source_addr,
      destination: pdu.destination_addr,
      ton: [pdu.source_addr_ton, pdu.dest_addr_ton],
      npi: [pdu.source_addr_npi, pdu.dest_addr_npi],
      service_type: pdu.service_type,
      data_coding: pdu.data_coding,
      esm_class: pdu.esm_class,
      sm: Buffer.isBuffer(text) ? text.toString('hex') : text,
      udh: udh && Buffer.concat(udh.map ? udh : [udh]).toString('hex'),
      op: pdu.ussd_service_op,
      its: pdu.its_session_info && pdu.its_session_info.toString('hex'),
      throttled: throttle > 0,
    });
    if (mute > 0) {
      mute -= 1;
    } else if (throttle > 0) {
      throttle -= 1;
      session.send(pdu.response({command_status: smpp.ESME_RTHROTTLED}));
    } else {
      count += 1;
      session.send(pdu.response({message_id: 'node-' + count}));
    }
  });
  session.on('enquire_link', function (pdu) {
    tell('enquire_link', {});
    session.send(pdu.response());
  });
  session.on('unbind', function (pdu) {
    tell('unbind', {});
    session.send(pdu.response(), function () { session.close(); });
  });
  session.on('generic_nack', function (pdu) {
    tell('nack', {status: pdu.command_status});
  });
  session.on('error', function (error) { tell('error', {text: String(error.message)}); });
  session.on('close', function () {
    sessions.delete(session);
    tell('close', {});
  });
});

function deliver(fields) {
  const pdu = Object.assign({}, fields);
  const plain = /^[ -~]*$/.test(pdu.sm);
  pdu.short_message = plain ? Buffer.from(pdu.sm, 'ascii') : Buffer.from(pdu.sm, 'utf16le').swap16();
  if (pdu.data_coding === undefined) pdu.data_coding = plain ? 0 : 8;
  delete pdu.sm;
  if (pdu.its_session_info) pdu.its_session_info = Buffer.from(pdu.its_session_info, 'hex');
  for (const session of sessions) {
    session.deliver_sm(pdu, function (answer) {
      tell('deliver_resp', {status: answer.command_status});
    });
  }
}

const orders = {
  deliver: function (order) { deliver(order.pdu); },
  refuse: function (order) { refuse = order.status; },
  throttle: function (order) { throttle = order.count; },
  mute: function (order) { mute = order.count; },
  trickle: function (order) { trickle = order.on; },
  drop: function () { for (const session of sessions) session.socket.destroy(); },
  garbage: function (order) {
    for (const session of sessions) session.socket.write(Buffer.from(order.hex, 'hex'));
  },
  unbind: function () {
    for (const session of sessions) {
      session.unbind(function () {
        tell('unbound', {});
        session.close();
      });
    }
  },
};

readline.createInterface({input: process.stdin})
  .on('line', function (line) {
    const order = JSON.parse(line);
    orders[order.do](order);
    tell('done', {});
  })
  .on('close', function () { process.exit(0); });

server.listen(0, '127.0.0.1', function () {
  tell('listening', {port: server.address().port});
});
